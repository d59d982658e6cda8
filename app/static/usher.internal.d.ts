/** The inside of `usher.js`, which every visitor downloads and which is kept small for that. */

type Options = import('./usher.js').Options;
type Outcome = import('./usher.js').Outcome;
type Mode = 'secured' | 'anonymous';

/**
 * A person in the service's words, which tell nothing but whether it is the same one; `null` is
 * nobody. Compared with every token and, when the page comes back into sight, with the session.
 * `undefined` is an answer that does not say.
 */
type Visitor = string | null | undefined;

/** Who asks, and for how long: the signal is aborted with the reason when the visit ends. */
interface Asking {
  options: Options;
  signal: AbortSignal;
}

/** A token. Times are on the clock of `performance.now()`, counted from before the request. */
interface Grant {
  token: string;
  visitor: Visitor;
  supportId: string | undefined;
  expires: number;
}

/** One call of `activate`, with the refreshes that follow from it. */
interface Run extends Asking {
  /** 0 for the page's first: that one is timed from the beginning of the page. */
  start: number;
  /** When there was a token or a refusal. */
  tokenMs?: number;
  /** The token that the tag has got last. */
  grant?: Grant;
  /** How many seconds it was still good for then. */
  remaining?: number;
  /** Why the tag was refused a token: it gets none any more. */
  refused?: Outcome;
  /** Whether the activation has come to its end, so that what follows is news. */
  isSettled?: boolean;
}

/** What the tag calls: at the start, when it tries again, and at each refresh. */
type TokenFunction = () => Promise<{
  authenticationOption: { type: string; token?: string };
}>;

/**
 * Calls the tag once it has loaded. A visit that has ended meanwhile is ended again: the tag may
 * have been at work, and have taken no notice. `fields` go into the outcome.
 */
type CallTag = (
  option: TokenFunction,
  mode: Mode,
  run: Run,
  fields?: Outcome,
) => Promise<Outcome>;

/** What is documented of iAdvize's tag. */
interface IAdvize {
  activate(option: TokenFunction): Promise<{
    authentication: { status: string; reason?: string; option?: { token?: string } };
  }>;
  logout(): Promise<void>;
}

/** An array until the tag has loaded. */
interface Queue {
  push(use: (iAdvize: IAdvize) => unknown): unknown;
}

interface Window {
  iAdvizeInterface?: Queue;
}

interface Document {
  prerendering?: boolean;
}

/** Of iAdvize's boxed-tag: sends messages to the frame with the tag. */
interface Box {
  push(message: { method: string; args?: unknown }): unknown;
}

interface Window {
  iAdvizeBoxedInterface?: Box;
}

interface DocumentEventMap {
  'usher:diagnosis': CustomEvent<{ cause: string; text: string }>;
}
