/** Behaviour of a store on which a queue is not safe. */
export interface Lie {
  /**
   * `condition`: of a PUT. The others are about listings (`order`, `lag`, `names`) and objects (`metadata`).
   */
  readonly about: 'condition' | 'order' | 'lag' | 'names' | 'metadata'
  readonly seen: string
}

/** Carries a {@link Lie} to where more is known of the bucket. */
export class StoreLie extends Error {
  readonly lie: Lie

  constructor(lie: Lie) {
    super(lie.seen)
    this.lie = lie
  }
}
