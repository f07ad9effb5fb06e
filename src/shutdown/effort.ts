/** What a search may still cost, in about a tenth of a microsecond; below zero it has given up. */
export interface Effort {
  left: number
}
