import { describe, expect, it } from 'vitest';
import { ApplicationCommandOptionType } from 'discord-api-types/v10';
import { JobRequest } from '#schema/job.ts';
import { JOB_TYPES } from '#schema/model.ts';
import { interaction } from '../../test/chat.ts';
import { readSlash } from '../command.ts';
import { readFields } from '../command/field.ts';
import { discordCommands, suggestChoices } from './command.ts';
import { decodeDiscord } from './decode.ts';
import type { DiscordBot } from './decode.ts';
import { Interaction } from './interaction.ts';
import type { UserInteraction } from './interaction.ts';

const BOT: DiscordBot = {
  id: 'painter',
  platform: 'discord',
  type: 'image',
  token: 'token',
  publicKey: '0'.repeat(64),
  applicationId: '7790',
};

function decode(sent: object) {
  const parsed = Interaction.parse(sent) as Exclude<UserInteraction, { type: 4 }>;
  return decodeDiscord(BOT, parsed, 1_795_000_000_000);
}

describe.each(JOB_TYPES)('the slash commands of a bot: %s', (type) => {
  const commands = discordCommands(type) as {
    name: string;
    description: string;
    options?: {
      name: string;
      type: number;
      description: string;
      required?: boolean;
      choices?: { name: string; value: string }[];
      min_value?: number;
      max_value?: number;
      max_length?: number;
    }[];
  }[];

  it('keep to the limits of Discord', () => {
    expect(commands.map(({ name }) => name)).toEqual([
      ...['generate', 'status', 'cancel', 'models'],
      ...['my-plan', 'upgrade', 'link', 'help', 'tessera'],
    ]);
    for (const { name, description, options = [] } of commands) {
      expect(name).toMatch(/^[-_a-z0-9]{1,32}$/);
      expect(description.length).toBeLessThanOrEqual(100);
      const required = options.map((option) => option.required === true);
      const first = required.filter((is) => is).length;
      expect(required.lastIndexOf(true), 'required ones come first').toBe(first - 1);
      for (const option of options) {
        expect(option.name).toMatch(/^[-_a-z0-9]{1,32}$/);
        expect(option.description.length).toBeLessThanOrEqual(100);
        expect(option.max_length ?? 0).toBeLessThanOrEqual(6000);
        expect(option.max_value ?? 0).toBeLessThanOrEqual(2 ** 53);
      }
    }
  });

  it('give a valid request with every option at its bounds', () => {
    const { options = [] } = commands[0]!;
    for (const bound of ['min_value', 'max_value'] as const) {
      const given = Object.fromEntries(
        options
          .filter((option) => option.type !== ApplicationCommandOptionType.Attachment)
          .map((option) => {
            if (option.choices) return [option.name, option.choices[0]!.value];
            if (option.type === ApplicationCommandOptionType.Boolean) return [option.name, true];
            if (option.name === 'model') return ['model', suggestChoices('', type)[0]!.value];
            return [option.name, option[bound] ?? 'en'];
          }),
      );
      const { prompt, input, ...others } = given;
      const words = String(prompt ?? input ?? '');
      const fields = readFields(others, type);
      const command = readSlash('generate', words, { type, file: 'sound', fields });
      if (command.kind !== 'request') throw new Error(command.kind);
      expect(command.draft.doubts).toEqual([]);
      const { prompt: said, ...rest } = command.draft.fields;
      const named = type === 'speech' ? { input: said } : { prompt: said };
      const file = `file_${'0'.repeat(26)}`;
      const whole = type === 'transcription' ? { ...rest, file } : { ...rest, ...named };
      expect(JobRequest.safeParse({ type, ...whole }).error).toBeUndefined();
    }
  });
});

describe('what Discord sends', () => {
  it('is a command with its options and files, in a server', () => {
    const url = 'https://cdn.discordapp.com/a/b.png';
    const file = { id: '5', url, filename: 'b.png', size: 10, content_type: 'image/png' };
    const event = decode(
      interaction(2, {
        id: '1',
        name: 'generate',
        type: 1,
        options: [
          { name: 'prompt', type: 3, value: 'a cat' },
          { name: 'steps', type: 4, value: 12 },
          { name: 'picture', type: 11, value: '5' },
        ],
        resolved: { attachments: { '5': file } },
      }),
    );
    expect(event).toMatchObject({
      chat: { chatId: '600', userId: '77', interactionExpiresAt: 1_795_000_900_000 },
      user: { id: '77', name: 'Ada', isAdmin: false },
      isPrivate: false,
      said: {
        kind: 'command',
        name: 'generate',
        words: 'a cat',
        fields: { steps: 12 },
        attachments: [{ kind: 'picture', source: url, name: 'b.png', bytes: 10 }],
      },
    });
  });

  it('knows who runs a server, and that a direct message is private', () => {
    const sent = interaction(2, { id: '1', name: 'help', type: 1 });
    const admin = { ...sent, member: { ...sent.member, permissions: String(0x20) } };
    expect(decode(admin)?.user).toMatchObject({ isAdmin: true, isModerator: true });
    const moderator = { ...sent, member: { ...sent.member, permissions: String(0x2000) } };
    expect(decode(moderator)?.user).toMatchObject({ isAdmin: false, isModerator: true });
    expect(decode(sent)?.user).toMatchObject({ isAdmin: false, isModerator: false });
    const { guild_id, member, ...direct } = sent;
    const event = decode({ ...direct, user: member.user });
    expect(guild_id).toBe('500');
    expect(event).toMatchObject({ isPrivate: true, user: { id: '77', isAdmin: true } });
  });
});
