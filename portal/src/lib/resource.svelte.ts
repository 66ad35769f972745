// Something that is loaded from the service: the last good answer stays on show while the next is on its way.
import { ApiError } from "./api";

export class Resource<T> {
  data = $state.raw<T | undefined>(undefined);
  error = $state.raw<ApiError | null>(null);
  loading = $state(false);
  #load: ((signal: AbortSignal) => Promise<T>) | null = null;
  #running: AbortController | null = null;

  /** Loads; an answer that a later call has overtaken is dropped. */
  async run(load: (signal: AbortSignal) => Promise<T>): Promise<void> {
    this.#load = load;
    this.#running?.abort();
    const running = (this.#running = new AbortController());
    this.loading = true;
    try {
      const data = await load(running.signal);
      if (running.signal.aborted) return;
      this.data = data;
      this.error = null;
    } catch (error) {
      if (running.signal.aborted) return;
      this.error = error instanceof ApiError ? error : new ApiError(0, "unexpected_error", String(error));
    }
    this.loading = false;
  }

  /** The same once more. */
  again = (): Promise<void> => (this.#load ? this.run(this.#load) : Promise.resolve());

  /** What was loaded is of something else. */
  clear(): void {
    this.#running?.abort();
    this.data = undefined;
    this.error = null;
    this.loading = false;
  }
}
