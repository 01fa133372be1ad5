import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayUnique, IsOptional, IsString, Length, Matches, Max, Min } from 'class-validator';
import { IsDecimal, IsFlag } from '../common/lax.decorators.js';
import { IsListOf } from '../common/list-of.decorator.js';
import { IsNameId, NAME_ID } from '../common/name-id.js';
import { AnswerView, answerView } from './answer.view.js';
import { MOST_QUESTIONS } from './session.schema.js';
import type { InterviewSession } from './session.schema.js';

const LANGUAGE = /^[a-z]{2}$/;

export class QuestionInput {
  @ApiProperty({ pattern: NAME_ID.source, example: 'q1' })
  @IsNameId()
  id!: string;

  @ApiProperty({ minLength: 1, maxLength: 4000, example: 'Tell me about a time when you had to convince a colleague.' })
  @IsString()
  @Length(1, 4000)
  text!: string;

  @ApiPropertyOptional({
    type: String,
    maxLength: 20000,
    nullable: true,
    description: 'The answer you would like; relevance is scored against it too.',
    example: 'Names the disagreement, how facts were gathered, and what changed.',
  })
  @IsOptional()
  @IsString()
  @Length(0, 20000)
  model_answer?: string | null;

  @ApiPropertyOptional({
    type: Number,
    minimum: 0,
    maximum: 1000,
    default: 1,
    nullable: true,
    description: 'Share in the final score.',
    example: 1,
  })
  @IsOptional()
  @IsDecimal()
  @Min(0)
  @Max(1000)
  weight?: number | null;
}

export class CreateSession {
  @ApiPropertyOptional({
    type: String,
    pattern: NAME_ID.source,
    nullable: true,
    description: 'Yours, or one is made.',
    example: 'interview-42',
  })
  @IsOptional()
  @IsNameId()
  id?: string | null;

  @ApiPropertyOptional({ type: String, maxLength: 300, nullable: true, example: 'First round' })
  @IsOptional()
  @IsString()
  @Length(0, 300)
  title?: string | null;

  @ApiPropertyOptional({ type: String, maxLength: 300, nullable: true, example: 'Backend engineer' })
  @IsOptional()
  @IsString()
  @Length(0, 300)
  role?: string | null;

  @ApiPropertyOptional({
    type: String,
    pattern: LANGUAGE.source,
    nullable: true,
    description: 'ISO 639-1.',
    example: 'en',
  })
  @IsOptional()
  @IsString()
  @Matches(LANGUAGE)
  language?: string | null;

  @ApiPropertyOptional({
    type: Boolean,
    default: false,
    nullable: true,
    description: 'Keep the audio after it is transcribed.',
    example: false,
  })
  @IsOptional()
  @IsFlag()
  retain_audio?: boolean | null;

  @ApiProperty({ type: [QuestionInput], maxItems: MOST_QUESTIONS, description: 'None: any question id is taken.' })
  @ArrayMaxSize(MOST_QUESTIONS)
  @ArrayUnique((question: QuestionInput) => question?.id, { message: 'question ids must be unique' })
  @IsListOf(() => QuestionInput)
  questions!: QuestionInput[];
}

export class QuestionView {
  @ApiProperty({ example: 'q1' }) id!: string;
  @ApiProperty({ example: 'Tell me about a time when you had to convince a colleague.' }) text!: string;
  @ApiProperty({ type: String, nullable: true, example: null }) model_answer!: string | null;
  @ApiProperty({ example: 1 }) weight!: number;
}

export class SessionView {
  @ApiProperty({ example: 'interview-42' }) id!: string;
  @ApiProperty({ type: String, nullable: true, example: 'First round' }) title!: string | null;
  @ApiProperty({ type: String, nullable: true, example: 'Backend engineer' }) role!: string | null;
  @ApiProperty({ type: String, nullable: true, example: 'en' }) language!: string | null;
  @ApiProperty({ example: false }) retain_audio!: boolean;
  @ApiProperty({ type: [QuestionView] }) questions!: QuestionView[];
  @ApiProperty({
    type: 'object',
    additionalProperties: { $ref: '#/components/schemas/AnswerView' },
    description: 'By question id.',
    example: {},
  })
  answers!: Record<string, AnswerView>;
  @ApiProperty({ type: Number, nullable: true, description: 'As last analyzed, 0 to 100.', example: null })
  final_score!: number | null;
  @ApiProperty({ type: String, format: 'date-time', nullable: true, example: null }) analyzed_at!: Date | null;
  @ApiProperty({ type: String, format: 'date-time', example: '2026-05-04T09:30:00.000Z' }) created_at!: Date;
  @ApiProperty({ type: String, format: 'date-time', example: '2026-05-04T09:30:00.000Z' }) updated_at!: Date;
}

export class SessionPage {
  @ApiProperty({ type: [SessionView] }) items!: SessionView[];
  @ApiProperty({ type: String, nullable: true, example: null }) next_cursor!: string | null;
}

export class ErasureReport {
  @ApiProperty({ example: 'interview-42' }) session_id!: string;
  @ApiProperty({ example: true }) erased!: boolean;
  @ApiProperty({ example: 3, description: 'Answers, all takes counted.' }) answers!: number;
  @ApiProperty({ example: 1, description: 'Audio files that were still stored.' }) audio_files!: number;
  @ApiProperty({ example: 48213 }) audio_bytes!: number;
  @ApiProperty({ example: 2 }) transcripts!: number;
  @ApiProperty({ example: 0 }) documents!: number;
  @ApiProperty({ type: String, format: 'date-time', example: '2026-05-04T09:30:00.000Z' }) erased_at!: Date;
}

export function sessionView(session: InterviewSession): SessionView {
  return {
    id: session.session_id,
    title: session.title,
    role: session.role,
    language: session.language,
    retain_audio: session.retain_audio,
    questions: session.questions.map(({ id, text, model_answer, weight }) => ({ id, text, model_answer, weight })),
    answers: Object.fromEntries(Object.entries(session.answers).map(([id, answer]) => [id, answerView(answer)])),
    final_score: session.final_score,
    analyzed_at: session.analyzed_at,
    created_at: session.created_at,
    updated_at: session.updated_at,
  };
}
