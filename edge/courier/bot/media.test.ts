import { expect, it } from 'vitest';
import type { Artifact } from '#schema/artifact.ts';
import type { ChatAddress } from '#schema/chat.ts';
import type { Media } from '../../chat/message.ts';
import { picture, privateChat } from '../../core/fixture.ts';
import { planMedia } from './media.ts';
import type { Stage } from './slot.ts';

const MIB = 1024 * 1024;

const discord = (attachmentBytesMax: number | null = null) =>
  privateChat({ platform: 'discord', attachmentBytesMax });

function media(as: Media['as'], more: Partial<Artifact> = {}): Media {
  const artifact = picture({ bytes: MIB, width: 1024, height: 1024, ...more });
  return { as, name: 'result', artifact };
}

function plan(items: readonly Media[], to: ChatAddress, form: Stage['form'] = 'media') {
  const { inside, beside, links } = planMedia(items, to, form);
  return [inside.map(({ as }) => as), beside.map(({ as }) => as), links.length];
}

const TELEGRAM = privateChat();
const PICTURE = media('picture');

it.each([
  ['a picture as one', [PICTURE], [['picture'], [], 0]],
  ['one over 10 MB as a document', [media('picture', { bytes: 11 * MIB })], [['document'], [], 0]],
  ['one too long to show, too', [media('picture', { height: 50 })], [['document'], [], 0]],
  ['a file over 50 MB as a link', [media('video', { bytes: 60 * MIB })], [[], [], 1]],
  ['several pictures as an album', [PICTURE, PICTURE], [[], ['picture', 'picture'], 0]],
  ['an MP4 as a video', [media('video', { contentType: 'video/mp4' })], [['video'], [], 0]],
  [
    'any other video as a document',
    [media('video', { contentType: 'video/webm' })],
    [['document'], [], 0],
  ],
  [
    'speech in Ogg as a voice note',
    [media('voice', { contentType: 'audio/ogg' })],
    [[], ['voice'], 0],
  ],
  [
    'speech in WAV as a document',
    [media('voice', { contentType: 'audio/wav' })],
    [['document'], [], 0],
  ],
  ['an MP3 as audio', [media('audio', { contentType: 'audio/mpeg' })], [['audio'], [], 0]],
] as const)('Telegram gets %s', (_claim, items, expected) => {
  expect(plan(items, TELEGRAM)).toEqual(expected);
});

it('an album of unlike files is one of documents', () => {
  const items = [PICTURE, media('picture', { bytes: 20 * MIB })];
  expect(plan(items, TELEGRAM)).toEqual([[], ['document', 'document'], 0]);
});

it('a form that the platform refused is not tried again', () => {
  expect(plan([PICTURE], TELEGRAM, 'document')).toEqual([['document'], [], 0]);
  expect(plan([PICTURE], TELEGRAM, 'link')).toEqual([[], [], 1]);
});

it('Discord gets what its place takes, the rest as links', () => {
  const items = [
    PICTURE,
    media('picture', { bytes: 9 * MIB }),
    media('video', { bytes: 11 * MIB }),
  ];
  expect(plan(items, discord())).toEqual([['picture', 'picture'], [], 1]);
  expect(plan(items, discord(8 * MIB))).toEqual([['picture'], [], 2]);
  expect(plan(items, discord(50 * MIB))).toEqual([['picture', 'picture', 'video'], [], 0]);
});
