import svelte from 'eslint-plugin-svelte';
import ts from 'typescript-eslint';
import svelteConfig from './ui/svelte.config.js';

export default ts.config(
  { ignores: ['ui/dist/', 'ui/dist-mock/', 'ui/src/generated/', 'target/', 'gen/'] },
  ...ts.configs.strict,
  ...ts.configs.stylistic,
  ...svelte.configs.recommended,
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: {
      parserOptions: { parser: ts.parser, extraFileExtensions: ['.svelte'], svelteConfig },
    },
  },
  {
    rules: {
      eqeqeq: 'error',
      'no-console': ['error', { allow: ['error'] }],
      // Empty functions are what callbacks begin as.
      '@typescript-eslint/no-empty-function': 'off',
    },
  },
  { files: ['scripts/**', 'tests/**'], rules: { 'no-console': 'off' } },
  {
    // The one border to the desktop shell.
    files: ['ui/src/**'],
    ignores: ['ui/src/backend/desktop.ts'],
    rules: { 'no-restricted-imports': ['error', { patterns: ['@tauri-apps/*'] }] },
  },
);
