// What crosses between JavaScript and WebAssembly for a request crosses at once: each crossing costs about as much as a small
// piece of the work itself. See border.rs.

// A URL that the URL standard leaves as it is: nothing to encode, no part that is only dots, no user, no fragment. Most are like
// that, and each object of the platform that is not made need not be collected.
const PLAIN = /^https?:\/\/[^/?#@\\]+((?:\/[\w\-~:@=+.]*)+)(\?[\w\-~:@=+.,&%*/]*)?$/;
const DOTS = /\/\.{1,2}(?:\/|$)/;

// What is no URL at all is nowhere. An exception must not reach WebAssembly: it would end the instance, and all that is under way in it.
function locate(url) {
  const plain = PLAIN.exec(url);
  if (plain && !DOTS.test(plain[1])) return { pathname: plain[1], search: plain[2] ?? "" };
  try {
    return new URL(url);
  } catch {
    return { pathname: "", search: "" };
  }
}

const BEARER = /^bearer /i;

// As the URL standard writes it, where `url` is written so.
const ORIGIN = /^https?:\/\/[^/?#]+/;

// Method, path, query and the headers named, a line each. No header value can hold a line break or a NUL. The headers of sessions,
// and the origin of the URL, only where there is no key (in one of the first two headers): most requests have one.
export function head(request, names, sessionNames) {
  const { url, headers } = request;
  const { pathname, search } = locate(url);
  const key = headers.get(names[0]);
  const authorization = headers.get(names[1]);
  let text = `${request.method}\n${pathname}\n${search}\n${key ?? "\0"}\n${authorization ?? "\0"}`;
  for (let at = 2; at < names.length; at += 1) text += `\n${headers.get(names[at]) ?? "\0"}`;
  if (key || BEARER.test(authorization ?? "")) return text;
  for (const name of sessionNames) text += `\n${headers.get(name) ?? "\0"}`;
  return `${text}\n${ORIGIN.exec(url)?.[0] ?? ""}`;
}

// Names and values of `more`, a line each, put among the headers.
function put(headers, more) {
  const lines = more.split("\n");
  for (let at = 0; at + 1 < lines.length; at += 2) headers.set(lines[at], lines[at + 1]);
  return headers;
}

// The headers `common`, if any are given, and `more`.
export function headers(common, more) {
  return put(new Headers(common), more);
}

// `bytes` is a view of WebAssembly's memory, which is about to change.
export function respond(status, bytes, common, more) {
  const response = new Response(bytes === undefined ? null : bytes.slice(), { status, headers: common });
  put(response.headers, more);
  return response;
}
