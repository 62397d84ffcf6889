/**
 * The one border between the page and the engine.
 *
 * Two implementations: the desktop shell (`desktop.ts`, the only file that imports Tauri) and a simulated engine for the
 * browser and for tests (`mock.ts`).
 */
import type { FailureView, NewDownload, Query, View, Welcome } from '../types';

export interface Backend {
  view(query: Query): Promise<View>;
  add(download: NewDownload): Promise<number>;
  pause(id: number): Promise<void>;
  resume(id: number): Promise<void>;
  remove(id: number): Promise<void>;
  pauseAll(): Promise<void>;
  resumeAll(): Promise<void>;
  /** Shows a finished file in the system's file manager. */
  openFolder(id: number): Promise<void>;
  /** The system's dialog for folders; `null` when it was cancelled. */
  pickFolder(from: string): Promise<string | null>;
  welcome(): Promise<Welcome>;
  /** Calls `changed` when something has changed, at most ten times a second. Call once. */
  onChange(changed: () => void): Promise<void>;
}

/** What a rejected promise of a backend holds; everything else is a mistake of ours and told as such. */
export function asFailure(error: unknown): FailureView {
  if (typeof error === 'object' && error !== null && 'code' in error && 'message' in error) {
    const { code, message, hint } = error as FailureView;
    return { code: String(code), message: String(message), hint: String(hint ?? '') };
  }
  return { code: 'internal', message: String(error), hint: '' };
}
