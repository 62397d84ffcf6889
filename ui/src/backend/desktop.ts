/** The engine behind the desktop shell. The only file that imports Tauri. */
import { Channel, invoke } from '@tauri-apps/api/core';
import type { InviteView, News, ServerFound, View, Welcome } from '../types';
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
  ask: (id, ask) => invoke('ask', { id, ask }),
  decide: (id, decision) => invoke<boolean>('decide', { id, decision }),
  stopHelping: (id) => invoke<boolean>('stop_helping', { id }),
  setLending: (change) => invoke('set_lending', { change }),
  setRule: (peer, terms) => invoke('set_rule', { peer, terms }),
  removeRule: (peer) => invoke('remove_rule', { peer }),
  block: (peer) => invoke('block', { peer }),
  unblock: (peer) => invoke('unblock', { peer }),
  removeFriend: (peer) => invoke('remove_friend', { peer }),
  setNeverHosts: (hosts) => invoke('set_never_hosts', { hosts }),
  pair: (who) => invoke<string>('pair', { who }),
  answerPairing: (id, same) => invoke<boolean>('answer_pairing', { id, same }),
  lookAtServer: (address) => invoke<ServerFound>('look_at_server', { address }),
  createGroup: (server, name) => invoke<string>('create_group', { server, name }),
  joinGroup: (invite) => invoke<string>('join_group', { invite }),
  leaveGroup: (group) => invoke('leave_group', { group }),
  invite: (group) => invoke<InviteView>('invite', { group }),
  rotateGroup: (group) => invoke<string>('rotate_group', { group }),
  setMeeting: (meeting) => invoke('set_meeting', { meeting }),
  takeLink: () => invoke<string | null>('take_link'),
  speak: (language) => invoke('speak', { language }),
  quit: () => invoke('quit'),
  welcome: () => invoke<Welcome>('welcome'),
  watch: async (heard) => {
    const news = new Channel<News>();
    news.onmessage = heard;
    await invoke('watch', { news });
  },
};
