// Short messages about what was done; read out by screen readers (components/Toasts.svelte).

export interface Toast {
  id: number;
  kind: "done" | "failed";
  text: string;
}

const SHOWN_MS = { done: 5_000, failed: 12_000 };

class Toasts {
  all = $state<Toast[]>([]);
  #next = 1;

  say(text: string, kind: Toast["kind"] = "done"): void {
    const id = this.#next++;
    this.all.push({ id, kind, text });
    setTimeout(() => this.remove(id), SHOWN_MS[kind]);
  }

  remove(id: number): void {
    this.all = this.all.filter((toast) => toast.id !== id);
  }
}

export const toasts = new Toasts();
