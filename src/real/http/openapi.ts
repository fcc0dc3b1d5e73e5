/** The description of the API for programs (OpenAPI 3.1), made of the very schemas that read and print. */
import * as z from 'zod';
import { VmView } from '../../records/vm-view.ts';
import { ClusterPicture } from '../../records/api.ts';
import { VmRecord } from '../../records/vm.ts';
import { MigrateWords, MoveWords, NoWords, vmVerbs } from './v1-words.ts';

const verbSummaries: Readonly<Record<(typeof vmVerbs)[number], string>> = {
  start: 'Start it on its node, and keep it running there.',
  shutdown: 'Ask the guest to shut down; after its time it is switched off.',
  stop: 'Switch it off at once.',
  restart: 'Shut it down and start it again.',
  disable: 'Mark it, while it is off, so that nothing starts it but a person.',
  migrate: 'Move it to another node; with forceLive only live, or not at all.',
  unmigrate: 'Move it back to where it came from.',
  move: 'Give it another node for good.',
  cancel: 'Call off the move that is under way.',
};

const json = (schema: z.ZodType, io: 'input' | 'output') => ({
  'application/json': { schema: z.toJSONSchema(schema, { io, unrepresentable: 'any' }) },
});
const Trouble = z.object({ because: z.string() });
const trouble = (description: string) => ({ description, content: json(Trouble, 'output') });
const away = { '503': trouble('the store does not answer, or noded is not ready; nothing was done') };
const noVm = { '404': trouble('there is no such VM') };
const name = {
  name: 'name',
  in: 'path',
  required: true,
  description: 'name or UUID of the VM',
  schema: { type: 'string' },
};

/** What GET /v1/cluster answers. */
export const ClusterShown = ClusterPicture.extend({
  staleBecause: z.string().nullable(),
  leaseLeftMs: z.number().nullable(),
});

export function openApiDocument(): Record<string, unknown> {
  const verbs = vmVerbs.map((verb) => {
    const words = verb === 'migrate' ? MigrateWords : verb === 'move' ? MoveWords : NoWords;
    return [
      `/v1/vms/{name}/${verb}`,
      {
        post: {
          operationId: `${verb}Vm`,
          summary: verbSummaries[verb],
          parameters: [name],
          requestBody: { required: false, content: json(words, 'input') },
          responses: {
            '202': {
              description:
                'written down; GET /v1/vms/{name} tells what becomes of it (lastMove has the id of its move)',
              content: json(z.object({ because: z.string(), vm: VmRecord }), 'output'),
            },
            '400': trouble('the body is not understood'),
            '409': trouble('a rule forbids it; nothing was done'),
            ...noVm,
            ...away,
          },
        },
      },
    ] as const;
  });
  return {
    openapi: '3.1.0',
    info: { title: 'nodekeeper', version: '1', description: 'VMs of a nodekeeper cluster, by the rules of nodectl.' },
    paths: {
      '/v1/cluster': {
        get: {
          operationId: 'showCluster',
          summary:
            'The whole cluster as this node sees it in the store (the shape of nodectl status --json), and what happened lately.',
          responses: {
            '200': {
              description: 'the cluster; staleBecause tells why it is old, if it is',
              content: json(ClusterShown, 'output'),
            },
            ...away,
          },
        },
      },
      '/v1/vms': {
        get: {
          operationId: 'listVms',
          summary: 'All VMs, and how they are.',
          responses: {
            '200': { description: 'the VMs by name', content: json(z.object({ vms: z.array(VmView) }), 'output') },
            ...away,
          },
        },
      },
      '/v1/vms/{name}': {
        get: {
          operationId: 'showVm',
          summary: 'One VM.',
          parameters: [name],
          responses: { '200': { description: 'the VM', content: json(VmView, 'output') }, ...noVm, ...away },
        },
      },
      ...Object.fromEntries(verbs),
    },
  };
}
