import { mount } from "svelte";
import App from "./App.svelte";
import "./app.css";

// After a new deployment the files of the one before are gone: a page that is still open loads anew, once.
addEventListener("vite:preloadError", (event) => {
  const key = "edge-kpi.reloaded";
  const now = Date.now();
  if (now - Number(sessionStorage.getItem(key)) < 60_000) return;
  event.preventDefault();
  sessionStorage.setItem(key, String(now));
  location.reload();
});

const target = document.getElementById("app");
if (target) mount(App, { target });
