import { env } from "node:process";

import { defineConfig } from "vite";

// `npm run build` writes the three files that the runtime serves. `AGENTGEN_URL=http://127.0.0.1:8080 npm run dev` shows
// the sources with the data of that service.
const service = env["AGENTGEN_URL"] ?? "http://127.0.0.1:8080";
const proxied = ["/v1", "/auth", "/openapi.json", "/docs", "/console", "/livez"];

export default defineConfig({
  base: "./",
  build: {
    outDir: "../crates/runtime/console",
    emptyOutDir: false,
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    rollupOptions: {
      output: {
        postBanner: "/*! Contains Preact, copyright (c) 2015-present Jason Miller, under the MIT License: https://opensource.org/license/mit */",
        entryFileNames: "app.js",
        assetFileNames: "style[extname]",
      },
    },
  },
  // The page is at `/`, its files are in `/console/`; a proxy may put both below a path.
  experimental: { renderBuiltUrl: (file) => `./console/${file}` },
  server: { proxy: Object.fromEntries(proxied.map((path) => [path, { target: service, changeOrigin: true }])) },
});
