/**
 * What an interaction is answered with at once, within Discord's three seconds: nearly always
 * that an answer will come; a form for new words; suggestions while a command is typed. Pure.
 */
import {
  ComponentType,
  InteractionResponseType,
  MessageFlags,
  TextInputStyle,
} from 'discord-api-types/v10';
import type { APIInteractionResponse } from 'discord-api-types/v10';
import { PROMPT_CHARS_MAX } from '#schema/limits.ts';
import type { JobType } from '#schema/model.ts';
import { decodeAction, encodeAction } from '../action.ts';
import { manner, OVERSEEN_DEEDS } from '../event.ts';
import { WORDS } from '../reply/words.ts';
import { suggestChoices, WHISPERED } from './command.ts';
import { roleOf, userOf } from './decode.ts';
import type { Interaction } from './interaction.ts';

export interface Response {
  readonly answer: APIInteractionResponse;
  /** Whether more is to be done about it. */
  readonly goesOn: boolean;
}

const LATER = { type: InteractionResponseType.DeferredChannelMessageWithSource } as const;
const WHISPER = { ...LATER, data: { flags: MessageFlags.Ephemeral } } as const;

/** The first answer; `type` is what the bot makes. */
export function respond(interaction: Interaction, type: JobType): Response {
  switch (interaction.type) {
    case 1:
      return { answer: { type: InteractionResponseType.Pong }, goesOn: false };
    case 2: {
      const isWhisper = WHISPERED.has(interaction.data.name);
      return { answer: isWhisper ? WHISPER : LATER, goesOn: true };
    }
    case 3:
      return respondToPress(interaction);
    case 4: {
      const typed = interaction.data.options.find(({ focused }) => focused)?.value ?? '';
      const choices = suggestChoices(String(typed), type);
      const { ApplicationCommandAutocompleteResult } = InteractionResponseType;
      return {
        answer: { type: ApplicationCommandAutocompleteResult, data: { choices } },
        goesOn: false,
      };
    }
    case 5:
      return { answer: LATER, goesOn: true };
  }
}

function respondToPress(interaction: Extract<Interaction, { type: 3 }>): Response {
  const decoded = decodeAction(interaction.data.custom_id);
  if (!decoded) return { answer: say(WORDS.staleButton), goesOn: false };
  const { action, ownerId } = decoded;
  const isOwner = ownerId === null || ownerId === userOf(interaction)?.id;
  const isOverseen = action.kind === 'job' && OVERSEEN_DEEDS.has(action.deed);
  if (!isOwner && !(isOverseen && interaction.guild_id && roleOf(interaction).isModerator)) {
    return { answer: say(WORDS.onlyOwner), goesOn: false };
  }
  switch (manner(action)) {
    case 'message':
      return { answer: LATER, goesOn: true };
    case 'whisper':
      return { answer: WHISPER, goesOn: true };
    case 'same':
      return { answer: { type: InteractionResponseType.DeferredMessageUpdate }, goesOn: true };
    case 'form':
      return { answer: askWords(encodeAction(action, null)), goesOn: false };
  }
}

/** A word for the presser's eyes only. */
export function say(content: string): APIInteractionResponse {
  return {
    type: InteractionResponseType.ChannelMessageWithSource,
    data: { content, flags: MessageFlags.Ephemeral },
  };
}

/** A form for the new words of a job; `prompt` fills it. */
export function askWords(customId: string, prompt = ''): APIInteractionResponse {
  return {
    type: InteractionResponseType.Modal,
    data: {
      custom_id: customId,
      title: WORDS.editTitle,
      components: [
        {
          type: ComponentType.Label,
          label: WORDS.editLabel,
          component: {
            type: ComponentType.TextInput,
            custom_id: 'words',
            style: TextInputStyle.Paragraph,
            required: true,
            max_length: PROMPT_CHARS_MAX,
            ...(prompt === '' ? {} : { value: prompt }),
          },
        },
      ],
    },
  };
}
