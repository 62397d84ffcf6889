/** The engine behind the desktop shell. The only file that imports Tauri. */
import { Channel, invoke } from '@tauri-apps/api/core';
import type { View, Welcome } from '../types';
import type { Backend } from './index';

export const desktop: Backend = {
  view: (query) => invoke<View>('view', { query }),
  add: (download) => invoke<number>('add', { download }),
  pause: (id) => invoke('pause', { id }),
  resume: (id) => invoke('resume', { id }),
  remove: (id) => invoke('remove', { id }),
  pauseAll: () => invoke('pause_all'),
  resumeAll: () => invoke('resume_all'),
  openFolder: (id) => invoke('open_folder', { id }),
  pickFolder: (from) => invoke<string | null>('pick_folder', { from }),
  welcome: () => invoke<Welcome>('welcome'),
  onChange: async (changed) => {
    const revisions = new Channel<number>();
    revisions.onmessage = changed;
    await invoke('watch', { revisions });
  },
};
