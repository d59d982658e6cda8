/**
 * Usher's browser client: asks Usher for a token, and activates iAdvize's chat with it.
 *
 * ```html
 * <script type="module" src="/usher/static/usher.js" data-activate></script>
 * ```
 *
 * The token comes first. Without one iAdvize is never activated, or anonymously where the
 * operator's policy says so. After a failed activation there is no second try and no fall-back to
 * anonymous. The chat belongs to whoever is signed in: when that changes, in whichever tab, the
 * visit ends, and the next person gets a visit of their own.
 */

export interface Options {
  /** Address of Usher with a slash at its end; by default where the script came from. */
  base?: string | URL;
  /** Milliseconds to wait for an answer of Usher; by default 10,000. */
  timeout?: number;
}

/** What became of an activation. It is frozen, and never holds the token. */
export interface Outcome {
  /** Whether the chat is active for this visitor. */
  activated: boolean;
  status: Status;
  mode: 'secured' | 'anonymous' | null;
  /**
   * Why there is no secured chat: a problem code of Usher, or `network-error`, `offline`,
   * `timeout`, `bad-response`, `activation-failed`, `signed-out`, `visitor-changed`.
   */
  code?: string;
  /** The same in words; with `activation-failed`, iAdvize's own. */
  reason?: string;
  /** By which the operator finds the decision. */
  supportId?: string;
  /** Where signing in would help. */
  signInUrl?: string;
}

/**
 * `activated`: the chat is there. `refused`: Usher said no. `failed`: iAdvize said no. `error`: Usher
 * could not be asked. `ended`: the visitor has signed out, or is somebody else now.
 */
export type Status = 'activated' | 'refused' | 'failed' | 'error' | 'ended';

/**
 * Activate the chat for whoever is signed in. A second call during the first gets the same
 * promise. It never rejects; it stays pending until iAdvize's tag has loaded.
 *
 * After an anonymous start it activates anew for whoever has signed in since, and the
 * conversation goes on.
 */
export function activate(options?: Options): Promise<Outcome>;

/**
 * Sign out of Usher, and end the visits at iAdvize in all tabs of this origin. Each is attempted
 * even if another fails.
 *
 * Resolves with the address of the identity provider's own sign-out, if it has one: without going
 * there, the visitor stays signed in at the provider. Rejects with an `AggregateError` when a part
 * failed.
 */
export function signOut(options?: Options): Promise<string | undefined>;

declare global {
  interface DocumentEventMap {
    /** Every outcome, at the start and later. */
    'usher:outcome': CustomEvent<Outcome>;
    'usher:activated': CustomEvent<Outcome>;
    'usher:refused': CustomEvent<Outcome>;
    'usher:failed': CustomEvent<Outcome>;
    'usher:error': CustomEvent<Outcome>;
    'usher:ended': CustomEvent<Outcome>;
    /** iAdvize's tag has loaded, and is being asked. */
    'usher:activating': CustomEvent<{ mode: 'secured' | 'anonymous' }>;
  }

  interface Window {
    /** What `usher.classic.js` promises; modules import it instead. */
    usher?: { activate: typeof activate; signOut: typeof signOut };
  }
}
