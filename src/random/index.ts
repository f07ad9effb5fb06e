export { philox, uniform } from './uniform.ts'
