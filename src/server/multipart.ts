import { Problem } from './problem.js';

/** A file of a form. */
export interface FormFile {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * The files of a `multipart/form-data` body, in order.
 * @param most files; forms with more parts are refused before they are taken apart.
 * @throws Problem 400 for what is no form, 413 for too many parts.
 */
export async function filesOf(
  body: Uint8Array<ArrayBuffer>,
  contentType: string,
  most: number,
): Promise<FormFile[]> {
  const boundary = /boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType);
  if (!boundary) throw new Problem(400, 'Content-Type: multipart/form-data has no boundary');
  checkParts(body, `--${boundary[1] ?? boundary[2]}`, most);
  let form: FormData;
  try {
    form = await new Response(body, { headers: { 'content-type': contentType } }).formData();
  } catch {
    throw new Problem(400, 'the body is no multipart/form-data; send it as curl -F does');
  }
  const files: FormFile[] = [];
  for (const [, value] of form) {
    if (typeof value === 'string') continue;
    files.push({ name: value.name, bytes: new Uint8Array(await value.arrayBuffer()) });
  }
  if (files.length === 0) throw new Problem(400, 'the form holds no file; expected one or more pictures');
  return files;
}

function checkParts(body: Uint8Array<ArrayBuffer>, boundary: string, most: number): void {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  let parts = -1;
  for (let at = bytes.indexOf(boundary); at >= 0; at = bytes.indexOf(boundary, at + boundary.length)) {
    parts++;
    if (parts > most) throw new Problem(413, `the form has more than ${most} parts; send fewer at a time`);
  }
}
