/**
 * A command in place of ffmpeg: writes down what it was told and what of the environment it sees,
 * and makes one and the same sound of everything but `junk`, which it cannot read, and `hang`, on
 * which it never ends.
 */
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface FfmpegDouble {
  readonly path: string;
  /** The words of its last call. */
  args(): Promise<string>;
  env(): Promise<string>;
}

const SCRIPT = `#!/bin/sh
echo "$@" > "$0.args"
env > "$0.env"
while [ "$1" != -i ]; do shift; done
input="\${2#file:}"
for output; do :; done
case "$(/usr/bin/head -c 4 "$input")" in
  junk) echo 'Invalid data found when processing input' >&2; exit 1;;
  hang) exec /usr/bin/tail -f /dev/null;;
  *) /bin/cp "$0.sound" "$output";;
esac
`;

/** Installs it below `directory`, in a folder of its own; it makes `sound` of what it reads. */
export async function installFfmpeg(directory: string, sound: Buffer): Promise<FfmpegDouble> {
  const path = join(directory, 'bin', 'ffmpeg');
  await mkdir(join(directory, 'bin'));
  await writeFile(`${path}.sound`, sound);
  await writeFile(path, SCRIPT);
  await chmod(path, 0o755);
  return {
    path,
    args: () => readFile(`${path}.args`, 'utf8'),
    env: () => readFile(`${path}.env`, 'utf8'),
  };
}
