export { type LabelsAppOptions, labelsApp } from './labels-app.ts'
export { type Listening, listen } from './listen.ts'
