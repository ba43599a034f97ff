/** `GET /v1/models/:id`: one model of the catalog. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { ModelView } from '#schema/api.ts';
import { ModelId } from '#schema/model.ts';
import type { AppEnv } from '../../env.ts';
import { listModels } from '../../services/list-models.ts';
import { onInvalid } from '../access.ts';
import { errors, json } from '../describe.ts';
import { refuse } from '../wire.ts';

const modelRoute = createRoute({
  method: 'get',
  path: '/v1/models/{id}',
  tags: ['Models'],
  summary: 'Show a model',
  description: 'Its price, limits and availability. Needs no key.',
  request: { params: z.object({ id: ModelId.meta({ example: 'sdxl' }) }) },
  responses: {
    200: { description: 'The model.', content: json(ModelView) },
    ...errors('not_found', 'internal'),
  },
});

export const modelRoutes = new OpenAPIHono<AppEnv>({ defaultHook: onInvalid }).openapi(
  modelRoute,
  async (c) => {
    const { id } = c.req.valid('param');
    const models = await listModels(c.get('env'), Date.now());
    const model = models.find((one) => one.id === id);
    if (!model) {
      refuse({ code: 'not_found', message: `No model is called ${id}; see GET /v1/models.` });
    }
    return c.json(model, 200);
  },
);
