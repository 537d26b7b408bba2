import { expect, test } from 'vitest'
import { csv, csvCell } from './csv'

test.each([
  ['plain', 'plain'], ['a,b', '"a,b"'], ['say "x"', '"say ""x"""'], ['two\nlines', '"two\nlines"'], ['=1+1', "'=1+1"], ['+49', "'+49"], ['-1', "'-1"], ['@x', "'@x"], ['\tx', "'\tx"], ['=a,b', '"\'=a,b"'], ['', ''], ['日本', '日本'],
])('%j is the cell %j', (text, want) => expect(csvCell(text)).toBe(want))

test('rows end with CRLF', () => expect(csv(['a', 'b'], [['1', '2']])).toBe('a,b\r\n1,2\r\n'))
