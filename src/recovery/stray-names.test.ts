import { csvRows, namesByPattern } from './stray-names.js';

const at = (session_id: string, question_id: string, user_id: string | null = null) => ({
  session_id,
  question_id,
  user_id,
});

describe('a pattern', () => {
  it('is read from the name, wherever the file lies', () => {
    const names = namesByPattern('{session_id}_{question_id}.{ext}');
    expect(names('2024/may/interview-7_q1.webm')).toEqual([at('interview-7', 'q1')]);
    expect(names('interview-7.webm')).toEqual([]);
    expect(names('notes.txt')).toEqual([]);
  });

  it('is read in every way that is possible', () => {
    const names = namesByPattern('{session_id}_{question_id}.{ext}');
    expect(names('a_b_q1.webm')).toEqual([at('a', 'b_q1'), at('a_b', 'q1')]);
  });

  it('with a slash is read from the whole path, users and what does not matter included', () => {
    const names = namesByPattern('{user_id}/{session_id}/{question_id}-{any}.wav');
    expect(names('ann@example.org/s1/q2-take 1.final.wav')).toEqual([at('s1', 'q2', 'ann@example.org')]);
    expect(names('s1/q2-1.wav')).toEqual([]);
  });

  it('must name session and question, and nothing unknown', () => {
    expect(() => namesByPattern('{session_id}.webm')).toThrow('{question_id}');
    expect(() => namesByPattern('{session}_{question_id}')).toThrow('{session}');
  });
});

describe('a map', () => {
  it('is CSV with quotes, commas and line ends in them, empty lines passed over', () => {
    const rows = csvRows('file,session_id\r\n"a, ""b"".wav",s1\n\n"two\nlines",\nlast,s2');
    expect(rows).toEqual([
      ['file', 'session_id'],
      ['a, "b".wav', 's1'],
      ['two\nlines', ''],
      ['last', 's2'],
    ]);
  });

  it('says in which row a quote stands wrong', () => {
    expect(() => csvRows('file,session_id\na"b,s1\n')).toThrow('row 2');
  });
});
