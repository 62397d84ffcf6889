import { mount } from 'svelte';
import '@fontsource-variable/inter/wght.css';
import './style/theme.css';
import App from './App.svelte';
import type { Backend } from './backend';

declare const __MOCK__: boolean;

/** The engine where there is one; otherwise the simulated one, in builds that have it. */
async function backend(): Promise<Backend> {
  if (__MOCK__ && !('__TAURI_INTERNALS__' in window)) {
    const { sceneOf } = await import('./backend/scenes');
    return sceneOf(location.search);
  }
  return (await import('./backend/desktop')).desktop;
}

const target = document.getElementById('app');
if (!target) throw new Error('the page has no #app');
mount(App, { target, props: { backend: await backend() } });
