/**
 * The dictionary: every sentence that a bot says by itself, in one language, typed. Sentences that
 * depend on something are functions. Words of users are never among them.
 */
import type { ErrorCode } from '#schema/error.ts';
import { MUSIC_DURATION_S_MAX, VIDEO_DURATION_S_MAX } from '#schema/limits.ts';
import type { JobType } from '#schema/model.ts';

/** What the bot is, in half a sentence. */
export const MAKES: Readonly<Record<JobType, string>> = {
  image: 'I make pictures from words',
  video: 'I make short videos from words and pictures',
  text: 'I answer, write and explain',
  speech: 'I read your words aloud',
  music: 'I make music from words',
  transcription: 'I write down what is said in voice notes and recordings',
};

/** How a user begins. */
export const BEGIN: Readonly<Record<JobType, string>> = {
  image: 'Write what you would like to see, or try this:',
  video: 'Write what should happen, or try this:',
  text: 'Write what you would like to know, or try this:',
  speech: 'Write what I should say, or try this:',
  music: 'Write what it should sound like, or try this:',
  transcription: 'Send me a voice note or an audio file.',
};

/** The same on Discord, where a bot hears nothing but commands. */
export const BEGIN_DISCORD: Readonly<Record<JobType, string>> = {
  image: 'Say with /generate what you would like to see, or try this:',
  video: 'Say with /generate what should happen, or try this:',
  text: 'Ask with /generate, or try this:',
  speech: 'Give me the words with /generate, or try this:',
  music: 'Say with /generate what it should sound like, or try this:',
  transcription: 'Give me a recording with /generate.',
};

/** What an example button stands for. */
export const EXAMPLES: Readonly<Record<JobType, readonly string[]>> = {
  image: [
    'a lighthouse on a cliff at dusk, 512x512',
    'a red fox in fresh snow, 512x512, seed 7',
    'a cosy library in a tree, landscape',
  ],
  video: ['waves rolling onto a beach, 3 seconds'],
  text: ['Explain in three sentences how a lighthouse works.'],
  speech: ['Hello! This is what I sound like.'],
  music: ['calm piano in the rain, 20 seconds'],
  transcription: [],
};

/** What can be said of a job, by the type of a bot. */
export const SETTINGS: Readonly<Record<JobType, string>> = {
  image:
    'Add settings as you like: 1024x1024, 16:9, portrait, 30 steps, seed 7, 4 images, ' +
    'using flux dev, without people.',
  video: `Add settings as you like: 16:9, 5 seconds (up to ${VIDEO_DURATION_S_MAX}), seed 7, using wan.`,
  text: 'Add --max-tokens 200 for a short answer, or reply to mine to go on.',
  speech: 'Add --voice am_adam or --speed 1.2 for another voice.',
  music: `Add settings as you like: 30 seconds (up to ${MUSIC_DURATION_S_MAX}), seed 7, using composer.`,
  transcription: 'Add a caption: language de, to English, as srt.',
};

export const COMMANDS: readonly (readonly [string, string])[] = [
  ['generate', 'make something from your words'],
  ['status', 'how your last job stands'],
  ['cancel', 'stop your last job'],
  ['models', 'the models, their prices, and which your plan has'],
  ['plan', 'your plan and the tokens left today'],
  ['upgrade', 'what the plans offer'],
  ['link', 'which account this is'],
  ['help', 'what I can do'],
];

export const WORDS = {
  cancel: 'Cancel',
  again: 'Again',
  vary: 'Vary',
  upscale: 'Upscale',
  edit: 'Edit',
  remove: 'Delete',
  removeSure: 'Yes, delete it',
  takeOutSure: 'Yes, take it away',
  publish: 'Make public',
  unpublish: 'Make private',
  retry: 'Try again',
  changeLast: 'Change my last picture',
  aboutWhat: 'To change a picture, reply to it with what should be different.',
  seePlans: 'See the plans',
  myPlan: 'My plan',
  help: 'Help',
  notCharged: 'It cost nothing.',
  working: 'Working on it',
  stopping: 'Stopping…',
  cancelled: 'Cancelled.',
  sent: 'Sent to the queue…',
  onlyOwner: 'Only the one who asked for it can use these buttons.',
  repeated: 'On it already.',
  gone: 'That job is not there any more, or it is not yours.',
  staleButton: 'This question is too old, or was answered already. Please write it again.',
  deleted: 'Deleted: I keep neither the result nor your words. The cost stays on your account.',
  wasDeleted: 'You have deleted the result of that job.',
  sureToDelete: 'Delete this result for good?',
  sureToTakeOut: 'Take this out of the chat? Whoever asked for it keeps it in their account.',
  takenOut: 'Taken out of the chat.',
  published: 'It is in the public gallery now, with your words beside it.',
  unpublished: 'It is out of the gallery.',
  thanks: 'You are welcome!',
  noJob: 'You have no job yet. Tell me what to make!',
  lastElsewhere:
    'Your last job in this chat was with another bot. Tell me what to make, or reply to what you mean.',
  nothingToChange:
    'There is no picture here that I could change for you. Write your wish as a message of its own.',
  /** What becomes of a job that is to stop. */
  cancels: {
    cancelled: 'Cancelled.',
    cancel_requested: 'Stopping…',
    already_finished: 'That job has ended already.',
  },
  notReady: 'There is no picture of that yet. Reply to one once it is there.',
  notEnded: 'That job has not ended yet. Cancel it first.',
  historyAway:
    'I cannot look up older jobs just now; new ones work as always. Please try again in a minute.',
  blocked: 'Your account is blocked. If that is a mistake, write to the operator.',
  broken: 'Something went wrong on our side. It cost nothing; please try again.',
  busyChat: 'Too much is going on in this chat just now. Please try again in a minute.',
  editPrompt: 'Send me the new words as a reply to this message. Everything else stays the same.',
  editTitle: 'Same seed, other words',
  editLabel: 'What to make',
  adminsOnly: 'Only those who run this chat can change that.',
  adminsUnknown: 'I cannot see just now who runs this chat. Please try again in a minute.',
  anonymous:
    'You write as the group or as a channel, so I cannot tell whose tokens this would take. ' +
    'Write as yourself, or to me in a private chat.',
  groupsOnly: 'That is for groups: in a private chat you are on your own.',
  privateOnly: 'That is for your eyes only: write to me in a private chat.',
  ruleHelp: (command: string) =>
    `Those who run this chat can say: ${command} off, ${command} on, or of one kind: ` +
    `${command} off video, ${command} on image.`,
  notAllowedHere: 'Those who run this chat have switched this off here.',
  fileUnread: 'I could not fetch that file. Please send it again.',
  notMine: (type: JobType) =>
    type === 'transcription'
      ? 'I write down recordings: send me a voice note or an audio file.'
      : 'I cannot do anything with such a file: send me words, or a picture to begin with.',
} as const;

/** Why a job failed, in plain words; of codes that no job ends with, what the code means. */
export const FAILURES: Readonly<Partial<Record<ErrorCode, string>>> = {
  job_failed: 'The machine could not make it.',
  job_timeout: 'It took far longer than it should and was stopped.',
  attempts_exhausted: 'It was tried three times and did not work.',
  deadline_exceeded: 'It could not start in time.',
  engine_out_of_memory: 'It is too large for the graphics card. Try a smaller size.',
  engine_rejected: 'The machine does not take these settings. Try others.',
  engine_unavailable: 'The machine that makes this is not running just now.',
  model_unavailable: 'The model could not be loaded. Try another one.',
  content_blocked: 'This is against the rules. Please ask for something else.',
  input_unreadable: 'I could not read your file. Try another format.',
  result_too_large: 'What came out is too large to keep. Ask for something shorter or smaller.',
};
