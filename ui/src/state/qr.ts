/** Draws a QR code. Pure. */

/** Light modules around it, without which no reader finds it (ISO/IEC 18004). */
export const QUIET = 4;

export interface QrDrawing {
  /** Modules on a side, with the quiet zone. */
  size: number;
  /** The dark ones, as the `d` of a path. */
  path: string;
}

/** `null` where the rows are no square of `0` and `1`. */
export function qrDrawing(rows: readonly string[]): QrDrawing | null {
  const count = rows.length;
  if (count === 0 || rows.some((row) => row.length !== count || /[^01]/.test(row))) return null;
  const path = rows
    .flatMap((row, y) =>
      // Dark modules that touch are one bar: no seams between them, and a short path.
      [...row.matchAll(/1+/g)].map(
        ({ index, 0: { length } }) => `M${index + QUIET} ${y + QUIET}h${length}v1h-${length}z`,
      ),
    )
    .join('');
  return { size: count + 2 * QUIET, path };
}
