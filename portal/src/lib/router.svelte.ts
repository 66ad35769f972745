// The address is the state: pages and filters live in it, so that a view can be shared and the back button works.

export type Page =
  | { name: "home" }
  | { name: "keys" }
  | { name: "use-case"; useCase: string; tab: Tab }
  | { name: "unknown" };

export const TABS = ["dashboard", "compare", "instances", "configuration"] as const;
export type Tab = (typeof TABS)[number];

class Router {
  path = $state(location.pathname);
  search = $state(location.search);
  page = $derived(pageOf(this.path));
  query = $derived(new URLSearchParams(this.search));

  constructor() {
    addEventListener("popstate", () => this.#read());
    document.addEventListener("click", (event) => this.#follow(event));
  }

  /** Goes to an address of the portal; `replace` leaves no trace in the history. */
  go(address: string, { replace = false } = {}): void {
    const elsewhere = new URL(address, location.href).pathname !== this.path;
    if (replace) history.replaceState(null, "", address);
    else history.pushState(null, "", address);
    this.#read();
    if (elsewhere) scrollTo(0, 0);
  }

  /** Changes parameters of the address; `null` and "" remove them. */
  set(changes: Record<string, string | number | null>, options: { replace?: boolean } = {}): void {
    const next = new URLSearchParams(this.search);
    for (const [name, value] of Object.entries(changes)) {
      if (value === null || value === "") next.delete(name);
      else next.set(name, String(value));
    }
    const search = next.toString();
    this.go(this.path + (search ? `?${search}` : ""), options);
  }

  #read(): void {
    this.path = location.pathname;
    this.search = location.search;
  }

  /** Links within the portal do not load the page anew. */
  #follow(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
    if (!(link instanceof HTMLAnchorElement) || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (pageOf(link.pathname).name === "unknown" || (link.hash && link.pathname === location.pathname)) return;
    event.preventDefault();
    this.go(link.pathname + link.search);
  }
}

export function pageOf(path: string): Page {
  if (path === "/") return { name: "home" };
  if (path === "/keys" || path === "/keys/") return { name: "keys" };
  const [root, useCase, tab = "dashboard", ...more] = path.split("/").filter(Boolean);
  const known = TABS.find((one) => one === tab);
  if (root === "use-cases" && useCase && known && more.length === 0) {
    return { name: "use-case", useCase: decode(useCase), tab: known };
  }
  return { name: "unknown" };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The address of a use case's page. */
export function useCaseHref(useCase: string, tab: Tab = "dashboard", search = ""): string {
  return `/use-cases/${encodeURIComponent(useCase)}${tab === "dashboard" ? "" : `/${tab}`}${search}`;
}

export const router = new Router();
