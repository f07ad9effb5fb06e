import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { strFromU8, unzipSync } from 'fflate'
import { describe, expect, it } from 'vitest'
import { type InspectLog, inspectMembers, writeInspectLog } from './inspect-log.ts'

const golden = JSON.parse(await readFile('fixtures/inspect/golden.json', 'utf8')) as {
  created: string
  given: Omit<InspectLog, 'created'>
  members: Record<string, unknown>
}
const log: InspectLog = { ...golden.given, created: new Date(golden.created) }
/** Ids are anyone's choice; those of samples are given. */
const plain = (value: unknown) =>
  JSON.parse(JSON.stringify(value), function (this: { role?: string }, key, entry) {
    return ['eval_id', 'run_id', 'task_id', 'uuid'].includes(key) || (key === 'id' && this.role) ? 'an id' : entry
  })

describe('a log for Inspect', () => {
  it('holds the files that Inspect itself writes of the same samples', () => {
    expect(plain(inspectMembers(log))).toEqual(golden.members)
  })

  it('is a zip of them, the same bytes again', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'inspect-'))
    const [one, two] = [join(folder, 'one.eval'), join(folder, 'two.eval')]
    await writeInspectLog(one, log)
    await writeInspectLog(two, log)
    expect(await readFile(one)).toEqual(await readFile(two))
    const members = Object.entries(unzipSync(await readFile(one))).map(([name, bytes]) => [name, JSON.parse(strFromU8(bytes))])
    expect(plain(Object.fromEntries(members))).toEqual(golden.members)
  })

  it('leaves out a number that is not finite, and tells ids apart', () => {
    const sample = { ...log.samples[1]!, scores: { statistic: { value: Number.NaN }, finding: { value: 'cannot tell' } } }
    const members = inspectMembers({ ...log, samples: [sample] })
    expect(members[`samples/${sample.id}_epoch_1.json`]).toMatchObject({ scores: { finding: { value: 'cannot tell', history: [] } } })
    expect(() => inspectMembers({ ...log, samples: [sample, sample] })).toThrow(/got shielded norm twice/)
  })

  it('must end in .eval', async () => {
    await expect(writeInspectLog('audit.json', log)).rejects.toThrow(/--inspect: must be a file whose name ends in \.eval, got audit\.json/)
  })
})
