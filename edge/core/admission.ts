/** What a plan allows of a job: its model and its size. Rate, credit and depth are judged elsewhere. */
import { assert } from '#schema/assert.ts';
import type { JobSpec } from '#schema/job.ts';
import { findModel } from '#schema/model.ts';
import { PLANS, planIncludes } from '#schema/plan.ts';
import type { PlanId } from '#schema/plan.ts';

/** Why a plan does not allow a job. */
export type PlanRefusal =
  | { readonly reason: 'plan_required'; readonly needed: PlanId; readonly what: string }
  | {
      readonly reason: 'side_over_plan';
      readonly field: string;
      readonly limit: number;
      readonly value: number;
      readonly needed: PlanId | null;
    };

const BY_SIZE: readonly PlanId[] = ['free', 'starter', 'pro'];

/** Why the plan does not allow the job, or null when it does. */
export function refuseByPlan(plan: PlanId, spec: JobSpec): PlanRefusal | null {
  const model = findModel(spec.model);
  assert(model, 'a spec names a model of the catalog');
  if (!planIncludes(plan, model.plan)) {
    return { reason: 'plan_required', needed: model.plan, what: `the model ${model.id}` };
  }
  if (spec.type !== 'image' && spec.type !== 'video') return null;
  const limit = PLANS[plan].sidePxMax;
  const scale = spec.type === 'image' ? spec.upscale : 1;
  for (const field of ['width', 'height'] as const) {
    const value = spec[field] * scale;
    if (value > limit) {
      const needed = BY_SIZE.find((id) => PLANS[id].sidePxMax >= value) ?? null;
      return { reason: 'side_over_plan', field, limit, value, needed };
    }
  }
  return null;
}
