import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

/**
 * The web UI. `--mode mock` builds the page with the mock backend, for a plain browser; the production build leaves it out.
 */
export default defineConfig(({ mode }) => ({
  root: import.meta.dirname,
  base: './',
  plugins: [svelte()],
  define: { __MOCK__: JSON.stringify(mode !== 'production') },
  // Vitest takes Svelte's browser build only when told so.
  resolve: mode === 'test' ? { conditions: ['browser'] } : {},
  // The port that tauri.conf.json names as its dev server.
  server: { host: '127.0.0.1', port: 1420, strictPort: true },
  build: {
    target: 'es2022',
    outDir: mode === 'mock' ? 'dist-mock' : 'dist',
    emptyOutDir: true,
    // One small page inside a local web view: a second request costs more than it saves.
    modulePreload: false,
  },
  test: {
    environment: 'happy-dom',
    include: ['src/**/*.test.ts'],
    restoreMocks: true,
  },
}));
