/** Whether, when all has come to rest, everyone who asked to be told of a job knows its end. */
import type { Notice } from '#schema/record.ts';
import type { Disk } from '../platform/disk.ts';
import type { World } from '../world.ts';
import type { JobTruth } from './oracle.ts';

/** The kind of object that stands for each notice's courier. */
export const COURIER_OF: Readonly<Record<Notice['kind'], string>> = {
  chat: 'bot',
  webhook: 'webhook',
};

export function checkNotices(
  world: World,
  jobs: Iterable<JobTruth>,
  diskOf: (kind: string, name: string) => Disk | null,
): void {
  for (const { order, end } of jobs) {
    for (const { kind, courier } of order.notices) {
      const disk = diskOf(COURIER_OF[kind], courier);
      const [told] = disk?.exec('SELECT status FROM told WHERE job_id = ?', [order.id]) ?? [];
      const status = told?.['status'] ?? 'nothing';
      if (status === end?.status) world.count('told');
      else
        world.violate(
          'whoever asked is told how a job ended',
          `${order.id} ${kind} ${status as string}`,
        );
    }
  }
}
