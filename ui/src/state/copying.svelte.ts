/** Copies a text, and says for a moment that it did. */

const COPIED_MS = 1600;

export class Copying {
  copied = $state(false);
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Where the clipboard is not to be had, the whole text is selected for the user's own hand. */
  async copy(text: string, select: () => void): Promise<void> {
    try {
      await navigator.clipboard.writeText(text);
      this.copied = true;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => (this.copied = false), COPIED_MS);
    } catch {
      select();
    }
  }
}
