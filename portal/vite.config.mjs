import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

// Served by the Worker at `/` (src/api/docs.rs): pages under any path of the portal's own, everything else below /portal/.
// `vite` alone serves the portal for working on it, with the API of a running `make dev` behind it.
export default defineConfig({
  plugins: [svelte()],
  build: {
    outDir: "../build/portal",
    emptyOutDir: true,
    assetsDir: "portal",
    // The Content-Security-Policy knows no data: addresses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // ECharts, in a chunk of its own that is loaded when a chart is to be drawn.
    chunkSizeWarningLimit: 700,
    reportCompressedSize: false,
  },
  // With the host that the browser asked: sessions are for the service's own pages.
  server: { proxy: { "/api": { target: `http://127.0.0.1:${process.env.PORT ?? 8787}`, changeOrigin: false } } },
});
