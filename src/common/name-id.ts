import { applyDecorators } from '@nestjs/common';
import { IsNotIn, IsString, Matches } from 'class-validator';

/** What a session's or question's id looks like. Without look-ahead: generated clients put it into engines that have none. */
export const NAME_ID = /^[A-Za-z0-9_-]{1,64}$/;

/** They would pass the pattern, and mean something to JavaScript when used as a key. */
export const RESERVED_IDS: readonly string[] = ['__proto__', 'constructor', 'prototype'];

export const RESERVED_ID_MESSAGE = 'this id is reserved';

/** Whether a text may be a session's or question's id. */
export function isNameId(text: string): boolean {
  return NAME_ID.test(text) && !RESERVED_IDS.includes(text);
}

/** A field that is a session's or question's id. */
export const IsNameId = (): PropertyDecorator =>
  applyDecorators(IsString(), Matches(NAME_ID), IsNotIn(RESERVED_IDS, { message: RESERVED_ID_MESSAGE }));
