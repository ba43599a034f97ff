/**
 * The slash commands of a Discord bot, by what it makes; registered by the deploy script as a
 * whole. They work in servers, in direct messages and for those who installed the bot for
 * themselves. Pure. docs.discord.com/developers/interactions/application-commands
 */
import {
  ApplicationCommandOptionType,
  ApplicationCommandType,
  ApplicationIntegrationType,
  InteractionContextType,
  PermissionFlagsBits,
} from 'discord-api-types/v10';
import type {
  APIApplicationCommandBasicOption,
  RESTPutAPIApplicationCommandsJSONBody,
} from 'discord-api-types/v10';
import {
  IMAGE_COUNT_MAX,
  MUSIC_DURATION_S_MAX,
  MUSIC_DURATION_S_MIN,
  PROMPT_CHARS_MAX,
  SEED_MAX,
  SPEECH_CHARS_MAX,
  STEPS_MAX,
  TEXT_TOKENS_MAX,
  VIDEO_DURATION_S_MAX,
} from '#schema/limits.ts';
import type { JobType } from '#schema/model.ts';
import { suggestModels } from '../command/model.ts';

/** Choices of one autocomplete answer. */
const SUGGESTIONS_MAX = 25;
const {
  String: Text,
  Integer,
  Number: Decimal,
  Attachment,
  Boolean: Flag,
} = ApplicationCommandOptionType;
const ANYWHERE = {
  type: ApplicationCommandType.ChatInput as const,
  integration_types: [
    ApplicationIntegrationType.GuildInstall,
    ApplicationIntegrationType.UserInstall,
  ],
  contexts: [
    InteractionContextType.Guild,
    InteractionContextType.BotDM,
    InteractionContextType.PrivateChannel,
  ],
};

/** Commands whose answers only the one who asked sees. */
export const WHISPERED: ReadonlySet<string> = new Set([
  'status',
  'cancel',
  'models',
  'my-plan',
  'upgrade',
  'link',
  'help',
]);

const JOB_ID: APIApplicationCommandBasicOption = {
  name: 'job_id',
  type: Text,
  description: 'Left out: your last job',
  max_length: 64,
};

/** All commands of a bot of this type. */
export function discordCommands(type: JobType): RESTPutAPIApplicationCommandsJSONBody {
  const simple = (name: string, description: string) => ({ ...ANYWHERE, name, description });
  return [
    { ...simple('generate', ABOUT[type]), options: optionsOf(type) },
    { ...simple('status', 'How a job stands'), options: [JOB_ID] },
    { ...simple('cancel', 'Stop a job'), options: [JOB_ID] },
    simple('models', 'The models, their prices, and which your plan has'),
    simple('my-plan', 'Your plan and the tokens left today'),
    simple('upgrade', 'What the plans offer'),
    simple('link', 'Which account this is'),
    simple('help', 'What I can do'),
    {
      ...simple('tessera', 'Allow or forbid bots of ours here'),
      contexts: [InteractionContextType.Guild],
      integration_types: [ApplicationIntegrationType.GuildInstall],
      default_member_permissions: String(PermissionFlagsBits.ManageGuild),
      options: [
        {
          name: 'setting',
          type: Text,
          description: 'For example: off, on, off video, on image',
          required: true,
          max_length: 40,
        },
      ],
    },
  ];
}

/** Models that what was typed so far may mean, for autocomplete. */
export function suggestChoices(typed: string, type: JobType): { name: string; value: string }[] {
  return suggestModels(typed, type)
    .slice(0, SUGGESTIONS_MAX)
    .map(({ id, title, about }) => ({ name: `${title}: ${about}`.slice(0, 100), value: id }));
}

const ABOUT: Readonly<Record<JobType, string>> = {
  image: 'Make a picture from words',
  video: 'Make a short video from words',
  text: 'Ask something, or have something written',
  speech: 'Have words read aloud',
  music: 'Make music from words',
  transcription: 'Write down what is said in a recording',
};

function optionsOf(type: JobType): APIApplicationCommandBasicOption[] {
  const model: APIApplicationCommandBasicOption = {
    name: 'model',
    type: Text,
    description: 'Left out: the best that is on',
    autocomplete: true,
    max_length: 64,
  };
  const seed: APIApplicationCommandBasicOption = {
    name: 'seed',
    type: Integer,
    description: 'The same seed gives the same result',
    min_value: 0,
    max_value: SEED_MAX,
  };
  switch (type) {
    case 'image':
      return [
        words('prompt', 'What to show; settings may stand in it too', PROMPT_CHARS_MAX),
        size(['512x512', '768x768', '1024x1024', '1024x576', '576x1024', '1024x768', '768x1024']),
        count(),
        model,
        words('negative_prompt', 'What not to show', PROMPT_CHARS_MAX, false),
        whole('steps', 'More take longer and cost more', [1, STEPS_MAX]),
        seed,
        decimal('guidance', 'How closely to follow the words', [0, 30]),
        { name: 'picture', type: Attachment, description: 'A picture to start from' },
        decimal('strength', 'How far to go from that picture', [0, 1]),
      ];
    case 'video':
      return [
        words('prompt', 'What happens; settings may stand in it too', PROMPT_CHARS_MAX),
        size(['768x512', '512x768', '768x432', '512x512', '1280x720']),
        decimal('duration_s', 'Seconds', [0.5, VIDEO_DURATION_S_MAX]),
        model,
        words('negative_prompt', 'What not to show', PROMPT_CHARS_MAX, false),
        seed,
        { name: 'picture', type: Attachment, description: 'A picture to set in motion' },
      ];
    case 'text':
      return [
        words('prompt', 'What to answer or write', PROMPT_CHARS_MAX),
        whole('max_tokens', 'Longest answer', [1, TEXT_TOKENS_MAX]),
        model,
      ];
    case 'speech':
      return [
        words('input', 'What to say', Math.min(6000, SPEECH_CHARS_MAX)),
        words('voice', 'Whose voice', 64, false),
        decimal('speed', 'How fast', [0.25, 4]),
        model,
      ];
    case 'music':
      return [
        words('prompt', 'What it sounds like', PROMPT_CHARS_MAX),
        decimal('duration_s', 'Seconds', [MUSIC_DURATION_S_MIN, MUSIC_DURATION_S_MAX]),
        words('lyrics', 'What is sung', PROMPT_CHARS_MAX, false),
        model,
        seed,
      ];
    case 'transcription':
      return [
        { name: 'recording', type: Attachment, description: 'Sound to write down', required: true },
        words('language', 'Its language, like en or de', 8, false),
        { name: 'translate', type: Flag, description: 'Into English' },
        model,
      ];
  }
}

function words(
  name: string,
  description: string,
  ...[charsMax, required = true]: [charsMax: number, required?: boolean]
): APIApplicationCommandBasicOption {
  return { name, type: Text, description, required, max_length: charsMax };
}

function size(sizes: readonly string[]): APIApplicationCommandBasicOption {
  const choices = sizes.map((value) => ({ name: value, value }));
  return { name: 'size', type: Text, description: 'Width and height in pixels', choices };
}

function count(): APIApplicationCommandBasicOption {
  return whole('count', 'How many; each one counts', [1, IMAGE_COUNT_MAX]);
}

function whole(
  name: string,
  description: string,
  [min_value, max_value]: readonly [number, number],
): APIApplicationCommandBasicOption {
  return { name, type: Integer, description, min_value, max_value };
}

function decimal(
  name: string,
  description: string,
  [min_value, max_value]: readonly [number, number],
): APIApplicationCommandBasicOption {
  return { name, type: Decimal, description, min_value, max_value };
}
