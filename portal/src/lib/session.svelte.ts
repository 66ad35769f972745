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

function isSame(a: Session, b: Session): boolean {
  return a.application_id === b.application_id && a.key_id === b.key_id && a.role === b.role;
}

class SessionState {
  /** `undefined` until the service was asked. */
  current = $state<Session | null | undefined>(undefined);
  /** Somebody was signed in before, and is not any more. */
  ended = $state(false);
  /** Whose session ended under an open page: it stays, with what was put in, until they are back. */
  interrupted = $state<Session | null>(null);
  /** The service could not be asked. */
  error = $state<ApiError | null>(null);

  role = $derived((this.current ?? this.interrupted)?.role);
  canEdit = $derived(this.role === "editor" || this.role === "admin");
  canManageKeys = $derived(this.role === "admin");

  constructor() {
    onSignedOut(() => {
      if (this.current) this.interrupted = this.current;
      this.ended = this.interrupted !== null;
      this.#set(null);
    });
    // In another tab somebody else may have signed in, or out.
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible" && this.current) void this.#check(this.current);
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
    const before = this.interrupted;
    this.#set(begun);
    this.interrupted = null;
    this.ended = false;
    if (before && !isSame(before, begun)) location.reload();
  }

  async signOut(): Promise<void> {
    await api.DELETE("/api/v1/session");
    this.forget();
  }

  /** Leaves the page of a session that has ended. */
  forget(): void {
    this.#set(null);
    this.interrupted = null;
    this.ended = false;
  }

  async #check(known: Session): Promise<void> {
    try {
      if (!isSame(known, await body(api.GET("/api/v1/session")))) location.reload();
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) {
        this.interrupted = known;
        this.ended = true;
        this.#set(null);
      }
    }
  }

  #set(session: Session | null): void {
    note(session !== null);
    this.current = session;
  }
}

export const session = new SessionState();
