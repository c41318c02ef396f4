// Reads server-sent events from a fetch body (EventSource cannot send a POST).

// A carriage return at the very end may be half of "\r\n", so it waits for what follows.
const LINE_END = /\r\n|\n|\r(?!$)/;

/** Yields `{event, data}` for each complete event; an unfinished last one is dropped. */
export async function* readEvents(body) {
  let event = "";
  let data = [];
  for await (const line of readLines(body)) {
    if (line === "") {
      if (data.length) yield { event: event || "message", data: data.join("\n") };
      event = "";
      data = [];
    } else if (!line.startsWith(":")) {
      const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line);
      if (field === "event") event = value;
      if (field === "data") data.push(value);
    }
  }
}

async function* readLines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    buffer += value;
    for (let end = LINE_END.exec(buffer); end; end = LINE_END.exec(buffer)) {
      yield buffer.slice(0, end.index);
      buffer = buffer.slice(end.index + end[0].length);
    }
  }
}
