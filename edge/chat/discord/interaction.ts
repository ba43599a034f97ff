/**
 * Interactions of Discord, as far as they are read
 * (docs.discord.com/developers/interactions/receiving-and-responding).
 */
import { z } from 'zod';
import { CHAT_TEXT_CHARS_MAX } from '#schema/chat-limits.ts';

const Snowflake = z.string().regex(/^\d{1,20}$/);

const User = z.object({
  id: Snowflake,
  username: z.string().default(''),
  global_name: z.string().nullish(),
});

const Option = z.object({
  name: z.string(),
  type: z.int(),
  value: z.union([z.string().max(CHAT_TEXT_CHARS_MAX), z.number(), z.boolean()]).optional(),
  focused: z.boolean().optional(),
});
export type Option = z.infer<typeof Option>;

const Attachment = z.object({
  id: Snowflake,
  url: z.url(),
  filename: z.string(),
  size: z.int(),
  content_type: z.string().optional(),
});

const common = {
  id: Snowflake,
  application_id: Snowflake,
  token: z.string().min(1),
  guild_id: Snowflake.nullish(),
  channel_id: Snowflake.nullish(),
  channel: z.object({ id: Snowflake }).nullish(),
  member: z
    .object({
      user: User.optional(),
      permissions: z
        .string()
        .regex(/^\d{1,32}$/)
        .optional(),
    })
    .nullish(),
  user: User.nullish(),
  attachment_size_limit: z.int().positive().optional(),
};

const Command = z.object({
  ...common,
  type: z.literal(2),
  data: z.object({
    name: z.string(),
    options: z.array(Option).default([]),
    resolved: z.object({ attachments: z.record(Snowflake, Attachment).default({}) }).default({
      attachments: {},
    }),
  }),
});

const Component = z.object({
  ...common,
  type: z.literal(3),
  data: z.object({ custom_id: z.string() }),
  message: z.object({ id: Snowflake, attachments: z.array(z.unknown()).default([]) }),
});

const Autocomplete = z.object({
  ...common,
  type: z.literal(4),
  data: z.object({ name: z.string(), options: z.array(Option).default([]) }),
});

const Field = z.object({ custom_id: z.string(), value: z.string().max(CHAT_TEXT_CHARS_MAX) });

const Modal = z.object({
  ...common,
  type: z.literal(5),
  data: z.object({
    custom_id: z.string(),
    components: z.array(
      z.object({
        components: z.array(Field).optional(),
        component: Field.optional(),
      }),
    ),
  }),
});

export const Interaction = z.discriminatedUnion('type', [
  z.object({ type: z.literal(1) }),
  Command,
  Component,
  Autocomplete,
  Modal,
]);
export type Interaction = z.infer<typeof Interaction>;
export type UserInteraction = Exclude<Interaction, { type: 1 }>;
export type CommandInteraction = z.infer<typeof Command>;
export type ComponentInteraction = z.infer<typeof Component>;
export type ModalInteraction = z.infer<typeof Modal>;
