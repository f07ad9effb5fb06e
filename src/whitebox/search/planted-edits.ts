import { planted } from './planted.ts'

const asked = new URL(import.meta.url).searchParams

/** Edits planted in stories5m on ten seeds, with as many controls; another model and number where the module's address says `?model=M&seeds=N`. */
export default planted(asked.get('model') ?? 'stories5m', { seeds: Number(asked.get('seeds') ?? 10) })
