/** An agent in small: keeps the command that it is given, tells its group, and waits. */
import { keep } from '../process/keeper.ts';

const HOUR_MS = 3_600_000;
const { pid } = keep(process.argv[2]!, { env: { PATH: '/usr/bin:/bin' }, onWords: () => {} });
process.stdout.write(`${pid}\n`);
setInterval(() => {}, HOUR_MS);
