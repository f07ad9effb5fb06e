// Merges as a configuration says; prints seconds and the most memory.
import { mergeModels } from '../dist/whitebox/index.js'

const [config, out] = process.argv.slice(2)
const start = performance.now()
await mergeModels(config, out)
const seconds = (performance.now() - start) / 1000
console.log(JSON.stringify({ seconds, megabytes: Math.round(process.resourceUsage().maxRSS / 1024) }))
