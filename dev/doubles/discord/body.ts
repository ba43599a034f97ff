/**
 * Bodies of messages and of answers to interactions, as Discord documents them
 * (docs.discord.com/developers/resources/message). Strict: a field that Discord does not have is
 * an error here, where Discord would ignore it, since it can only be a mistake.
 */
import { z } from 'zod';

const SUPPRESS_EMBEDS = 4;
const EPHEMERAL = 64;

const Button = z
  .strictObject({
    type: z.literal(2),
    style: z.int().min(1).max(5),
    label: z.string().min(1).max(80),
    custom_id: z.string().min(1).max(100).optional(),
    url: z.url().max(512).optional(),
    disabled: z.boolean().optional(),
  })
  .refine(
    ({ style, custom_id, url }) => (style === 5 ? url !== undefined : custom_id !== undefined),
    'BUTTON_COMPONENT_CUSTOM_ID_REQUIRED',
  );
const Components = z
  .array(z.strictObject({ type: z.literal(1), components: z.array(Button).min(1).max(5) }))
  .max(5)
  .refine((rows) => {
    const ids = rows.flatMap(({ components }) => components.map(({ custom_id }) => custom_id));
    const given = ids.filter((id) => id !== undefined);
    return new Set(given).size === given.length;
  }, 'COMPONENT_CUSTOM_ID_DUPLICATED');
export type Components = z.infer<typeof Components>;

const base = {
  content: z.string().max(2000, 'BASE_TYPE_MAX_LENGTH').optional(),
  components: Components.optional(),
  allowed_mentions: z
    .strictObject({
      parse: z.array(z.enum(['roles', 'users', 'everyone'])).optional(),
      users: z.array(z.string()).optional(),
      replied_user: z.boolean().optional(),
    })
    .optional(),
};
const attachments = z
  .array(z.strictObject({ id: z.union([z.int(), z.string()]), filename: z.string().optional() }))
  .max(10)
  .optional();

const flagsOf = (allowed: number) =>
  z
    .int()
    .refine((flags) => (flags & ~allowed) === 0, 'MESSAGE_FLAGS_INVALID')
    .optional();

/** A new message by the bot's token. */
export const ChannelMessage = z.strictObject({
  ...base,
  attachments,
  flags: flagsOf(SUPPRESS_EMBEDS),
  nonce: z.union([z.string().max(25), z.int()]).optional(),
  enforce_nonce: z.boolean().optional(),
  message_reference: z
    .strictObject({ message_id: z.string(), fail_if_not_exists: z.boolean().optional() })
    .optional(),
});
/** A followup of an interaction. */
export const Followup = z.strictObject({
  ...base,
  attachments,
  flags: flagsOf(SUPPRESS_EMBEDS | EPHEMERAL),
});
/** An edit of any message. */
export const Edit = z.strictObject({ ...base, attachments, flags: flagsOf(SUPPRESS_EMBEDS) });
export type MessageBody = z.infer<typeof Followup>;

const Data = z.strictObject({
  ...base,
  flags: flagsOf(SUPPRESS_EMBEDS | EPHEMERAL),
  attachments,
});
const Modal = z.strictObject({
  custom_id: z.string().min(1).max(100),
  title: z.string().min(1).max(45),
  components: z.array(z.record(z.string(), z.unknown())).min(1).max(5),
});
/** What a bot may answer to an interaction at once. */
export const InteractionAnswer = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal(1) }),
  z.strictObject({ type: z.literal(4), data: Data }),
  z.strictObject({
    type: z.literal(5),
    data: z.strictObject({ flags: flagsOf(EPHEMERAL) }).optional(),
  }),
  z.strictObject({ type: z.literal(6) }),
  z.strictObject({ type: z.literal(7), data: Data }),
  z.strictObject({
    type: z.literal(8),
    data: z.strictObject({
      choices: z
        .array(
          z.strictObject({
            name: z.string().min(1).max(100),
            value: z.union([z.string().max(100), z.number()]),
          }),
        )
        .max(25),
    }),
  }),
  z.strictObject({ type: z.literal(9), data: Modal }),
]);
export type InteractionAnswer = z.infer<typeof InteractionAnswer>;
