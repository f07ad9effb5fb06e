import type { Verbs } from './dispatch.ts'

/** Every verb of the command line, loaded when it is asked for. */
export const verbs: Verbs = {
  align: async () => (await import('./align.ts')).align,
  train: async () => (await import('./train.ts')).train,
  chat: async () => (await import('./chat.ts')).chat,
  complete: async () => (await import('./complete.ts')).complete,
  sample: async () => (await import('./sample.ts')).sample,
  logp: async () => (await import('./logp.ts')).logp,
  'pairs check': async () => (await import('./pairs-check.ts')).pairsCheck,
  'read attribute': async () => (await import('./read-attribute.ts')).readAttribute,
  'read patch': async () => (await import('./read-patch.ts')).readPatch,
  'read taps': async () => (await import('./read-taps.ts')).readTaps,
  'read fit': async () => (await import('./read-fit.ts')).readFit,
  'read direct': async () => (await import('./read-direct.ts')).readDirect,
  'read lens': async () => (await import('./read-lens.ts')).readLensCommand,
  'shutdown check': async () => (await import('./shutdown-check.ts')).shutdownCheck,
  'edit apply': async () => (await import('./edit-apply.ts')).editApply,
  'edit diff': async () => (await import('./edit-diff.ts')).editDiff,
  'edit log': async () => (await import('./edit-log.ts')).editLog,
  'edit revert': async () => (await import('./edit-revert.ts')).editRevert,
  convert: async () => (await import('./convert.ts')).convert,
  'read probe': async () => (await import('./read-probe.ts')).readProbeCommand,
  report: async () => (await import('./report.ts')).report,
  'shutdown llm': async () => (await import('./shutdown-llm.ts')).shutdownLlm,
  'shutdown grid': async () => (await import('./shutdown-grid.ts')).shutdownGrid,
  init: async () => (await import('./init.ts')).init,
}
