import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import './base.css'
import { App } from './app'
import { show } from './viewer'

show()
const root = document.getElementById('root')
if (!root) throw new Error('index.html has no element root')
createRoot(root).render(<StrictMode><App /></StrictMode>)
