// Who is signed in. The API key itself is never kept: it is exchanged for a cookie that scripts can't read.
import { api, ApiError, body, onSignedOut, type Schemas } from "./api";

export type Session = Schemas["Session"];

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
      this.current = null;
    });
  }

  async load(): Promise<void> {
    this.error = null;
    try {
      this.current = await body(api.GET("/api/v1/session"));
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) this.current = null;
      else this.error = error as ApiError;
    }
  }

  async signIn(apiKey: string): Promise<void> {
    this.current = await body(api.POST("/api/v1/session", { body: { api_key: apiKey } }));
    this.ended = false;
  }

  async signOut(): Promise<void> {
    await api.DELETE("/api/v1/session");
    this.current = null;
    this.ended = false;
  }
}

export const session = new SessionState();
