// What crosses between JavaScript and WebAssembly for a request crosses at once: each crossing costs about as much as a small
// piece of the work itself. See border.rs.

// Method, path, query and the headers named, a line each. No header value can hold a line break or a NUL.
export function head(request, names) {
  const { pathname, search } = new URL(request.url);
  let text = `${request.method}\n${pathname}\n${search}`;
  for (const name of names) text += `\n${request.headers.get(name) ?? "\0"}`;
  return text;
}

// The headers `common`, and `more`: names and values, a line each.
export function headers(common, more) {
  const all = new Headers(common);
  const lines = more.split("\n");
  for (let at = 0; at + 1 < lines.length; at += 2) all.set(lines[at], lines[at + 1]);
  return all;
}

// `bytes` is a view of WebAssembly's memory, which is about to change.
export function respond(status, bytes, common, more) {
  return new Response(bytes === undefined ? null : bytes.slice(), { status, headers: headers(common, more) });
}
