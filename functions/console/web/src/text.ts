// Texts in all languages. A page declares its texts beside itself:
//
//	const texts = catalogue({
//	  en: { title: 'Pools', count: (n: number) => `${n} pools` },
//	  ja: { title: 'プール', count: n => `${n} 個のプール` },
//	})
//	const t = useText(texts)
//
// A key that one language lacks does not compile.
import { type Language, useViewer, viewer } from './viewer'

export interface Texts {
  [key: string]: string | ((...args: never[]) => string) | Texts
}

// Same has the keys and parameters of T.
export type Same<T> = {
  [K in keyof T]: T[K] extends string ? string : T[K] extends (...args: infer A) => string ? (...args: A) => string : Same<T[K]>
}

export type Catalogue<T> = Record<Language, Same<T>>

export function catalogue<const T extends Texts>(texts: { en: T; ja: Same<NoInfer<T>> }): Catalogue<T> {
  return texts as unknown as Catalogue<T>
}

export function useText<T>(texts: Catalogue<T>): Same<T> {
  return texts[useViewer().language]
}

// textOf is useText outside of components.
export function textOf<T>(texts: Catalogue<T>): Same<T> {
  return texts[viewer().language]
}
