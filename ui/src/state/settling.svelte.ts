/**
 * Buttons that came up by themselves take no press before they have stood still for a moment, so that one which was meant for
 * something else does not consent: the second half of a double click, or a press on what stood here before.
 */

/** Longer than a double click. */
const SETTLE_MS = 600;

export class Settling {
  settled = $state(false);
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** They have appeared, have moved, or were pressed. */
  begin(): void {
    this.end();
    this.settled = false;
    this.#timer = setTimeout(() => (this.settled = true), SETTLE_MS);
  }

  /** They are gone. */
  end(): void {
    clearTimeout(this.#timer);
  }
}
