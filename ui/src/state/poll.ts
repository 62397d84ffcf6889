/**
 * Asks for a view when something has changed: one question at a time, and one more when anything happened meanwhile.
 *
 * While the page is hidden nothing is asked.
 */
export class Poll<Q, A> {
  readonly #ask: (question: Q) => Promise<A>;
  readonly #question: () => Q;
  readonly #answered: (question: Q, answer: A) => void;
  readonly #failed: (error: unknown) => void;
  #asking = false;
  #again = false;
  #hidden = false;

  constructor(parts: {
    ask: (question: Q) => Promise<A>;
    /** What to ask now; called for each question. */
    question: () => Q;
    answered: (question: Q, answer: A) => void;
    failed: (error: unknown) => void;
  }) {
    this.#ask = parts.ask;
    this.#question = parts.question;
    this.#answered = parts.answered;
    this.#failed = parts.failed;
  }

  /** Something changed, here or there. */
  changed(): void {
    if (this.#asking || this.#hidden) {
      this.#again = true;
      return;
    }
    void this.#run();
  }

  set hidden(hidden: boolean) {
    this.#hidden = hidden;
    if (!hidden && this.#again) this.changed();
  }

  async #run(): Promise<void> {
    this.#asking = true;
    do {
      this.#again = false;
      const question = this.#question();
      try {
        this.#answered(question, await this.#ask(question));
      } catch (error) {
        this.#failed(error);
      }
    } while (this.#again && !this.#hidden);
    this.#asking = false;
  }
}
