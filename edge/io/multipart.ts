/**
 * Bodies of multipart/form-data (RFC 7578) that stream: a file of 50 MB passes through without
 * being held, and the body's length is known beforehand, which platforms insist on.
 */

/** One file of a form; `bytes` is its exact length. */
export interface FormFile {
  readonly field: string;
  readonly name: string;
  readonly contentType: string;
  readonly bytes: number;
  readonly body: ReadableStream<Uint8Array> | Uint8Array;
}

export interface FormBody {
  readonly contentType: string;
  readonly body: ReadableStream<Uint8Array>;
}

const encoder = new TextEncoder();

/** A form of text fields and files, in this order. */
export function makeForm(
  fields: Readonly<Record<string, string>>,
  files: readonly FormFile[],
): FormBody {
  const boundary = `tessera-${crypto.randomUUID()}`;
  const texts = Object.entries(fields).map(([name, value]) =>
    encoder.encode(
      `--${boundary}\r\ncontent-disposition: form-data; name="${quote(name)}"\r\n\r\n${value}\r\n`,
    ),
  );
  const heads = files.map(({ field, name, contentType }) =>
    encoder.encode(
      `--${boundary}\r\ncontent-disposition: form-data; name="${quote(field)}"; ` +
        `filename="${quote(name)}"\r\ncontent-type: ${contentType}\r\n\r\n`,
    ),
  );
  const end = encoder.encode(`--${boundary}--\r\n`);
  const lengths = [...texts, ...heads, end].map(({ length }) => length);
  const fileBytes = files.map(({ bytes }) => bytes + 2);
  const total = [...lengths, ...fileBytes].reduce((sum, bytes) => sum + bytes, 0);
  const { readable, writable } = new FixedLengthStream(total);
  void write(writable, { texts, heads, files, end });
  return { contentType: `multipart/form-data; boundary=${boundary}`, body: readable };
}

async function write(
  writable: WritableStream<Uint8Array>,
  form: {
    texts: readonly Uint8Array[];
    heads: readonly Uint8Array[];
    files: readonly FormFile[];
    end: Uint8Array;
  },
): Promise<void> {
  const writer = writable.getWriter();
  try {
    for (const text of form.texts) await writer.write(text);
    for (const [index, { body }] of form.files.entries()) {
      await writer.write(form.heads[index]);
      if (body instanceof Uint8Array) {
        await writer.write(body);
      } else {
        for await (const chunk of body) await writer.write(chunk);
      }
      await writer.write(encoder.encode('\r\n'));
    }
    await writer.write(form.end);
    await writer.close();
  } catch (error) {
    // Whoever reads the body has the fault as their own; this may be the reader's, too.
    await writer.abort(error).catch(() => {});
    const left = form.files.map(({ body }) => body);
    for (const body of left) {
      if (body instanceof ReadableStream) await body.cancel(error).catch(() => {});
    }
  }
}

function quote(text: string): string {
  return text.replaceAll('"', '%22').replaceAll(/[\r\n]/g, ' ');
}
