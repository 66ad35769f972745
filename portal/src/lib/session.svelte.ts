// Who is signed in. The API key itself is never kept: it is exchanged for a cookie that scripts can't read.
import { api, ApiError, body, onSignedOut, type Schemas } from "./api";

export type Session = Schemas["Session"];

/** Whether somebody signed in here before: else the service need not be asked. The cookie itself can't be seen. */
const NOTE = "edge-kpi.signed-in";

function note(signedIn?: boolean): boolean {
  try {
    if (signedIn === true) localStorage.setItem(NOTE, "1");
    else if (signedIn === false) localStorage.removeItem(NOTE);
    return localStorage.getItem(NOTE) !== null;
  } catch {
    return true;
  }
}

class SessionState {
  /** `undefined` until the service was asked. */
  current = $state<Session | null | undefined>(undefined);
  /** Why somebody who was signed in is not any more. */
  ended = $state(false);
  /** The service could not be asked. */
  error = $state<ApiError | null>(null);

  canEdit = $derived(this.current?.role === "editor" || this.current?.role === "admin");
  canManageKeys = $derived(this.current?.role === "admin");

  constructor() {
    onSignedOut(() => {
      this.ended = Boolean(this.current);
      this.#set(null);
    });
  }

  async load(): Promise<void> {
    this.error = null;
    if (!note()) {
      this.current = null;
      return;
    }
    try {
      this.#set(await body(api.GET("/api/v1/session")));
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 401)) {
        this.error = error as ApiError;
        return;
      }
      this.ended = true;
      this.#set(null);
    }
  }

  async signIn(apiKey: string): Promise<void> {
    const begun = await body(api.POST("/api/v1/session", { body: { api_key: apiKey } }));
    if (begun.role === "ingest") {
      await api.DELETE("/api/v1/session");
      throw new ApiError(403, "forbidden", "This key can only record scores. Sign in with a key of the role read, editor or admin");
    }
    this.#set(begun);
    this.ended = false;
  }

  async signOut(): Promise<void> {
    await api.DELETE("/api/v1/session");
    this.#set(null);
    this.ended = false;
  }

  #set(session: Session | null): void {
    note(session !== null);
    this.current = session;
  }
}

export const session = new SessionState();
